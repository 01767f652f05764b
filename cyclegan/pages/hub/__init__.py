"""The field that opens runs of the Hub."""

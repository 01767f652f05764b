"""The pages of the app, one module each, and what they share."""

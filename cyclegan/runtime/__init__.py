"""What every part uses: devices, processes, memory, signals and files."""

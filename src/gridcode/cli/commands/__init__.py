"""The commands, a file each: `add_options` and `run`."""

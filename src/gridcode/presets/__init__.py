"""Presets: complete recipes as TOML."""

"""The preset that a configuration is nearest to, and the settings that differ from it."""

import functools
from typing import Any

from gridcode.config import Config, load_config, preset_names

Settings = dict[str, Any]


@functools.cache
def presets() -> dict[str, Settings]:
    """Every preset's settings by dotted key."""
    return {name: load_config(name).settings for name in preset_names()}


def nearest_preset(config: Config) -> tuple[str, Settings]:
    """The preset with the fewest differing settings, and these settings.

    The evaluation does not count: it leaves the network as it is. A baseline has no preset: its
    name stands in that place, with all settings that it has.
    """
    own = config.settings
    if config.baseline:
        return f"baseline {config.baseline['name']}", own
    changed = {
        name: {key: value for key, value in own.items() if preset[key] != value}
        for name, preset in presets().items()
    }
    name = min(changed, key=lambda n: sum(not k.startswith("evaluation.") for k in changed[n]))
    return name, changed[name]

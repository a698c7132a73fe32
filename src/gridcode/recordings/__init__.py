"""Rate maps and recordings from the files and objects of other tools.

- `files`: `load_recording`, and which files are one session.
- `recording`: recordings from arrays of maps, or of a path with activity or spikes.
- `checks`: what looks odd in a recording.
- `formats`: one file a format, each giving `contents`.
- `labelled`, `along_path`, `columns`, `spike_trains`: labelled and named arrays made plain.
"""

"""Run folders: files, atomic writing, snapshots and maps over training."""

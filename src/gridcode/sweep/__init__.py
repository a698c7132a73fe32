"""Many trainings from one file: which (`study`), what each does (`trial`), and their table."""

from gridcode.sweep.engine import SweepResult as SweepResult
from gridcode.sweep.engine import run_sweep as run_sweep
from gridcode.sweep.settings import Sweep as Sweep
from gridcode.sweep.settings import load_sweep as load_sweep

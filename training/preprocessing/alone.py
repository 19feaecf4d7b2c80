"""One run at a time writes a store."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..data.store import SETTINGS
from ..errors import TrainingError


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Hold a store; the system lets go of it when the process ends, however it ends.

    Raises:
        TrainingError: another run holds it.
    """
    try:
        import fcntl
    except ImportError:
        # Windows: nothing stops a second run there, which at worst does the work twice.
        yield
        return
    with (root / SETTINGS).open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TrainingError(f"Another run is writing '{root}'. Wait until it is through, or stop it.") from error
        except OSError:
            # A network's disk that knows no locks.
            pass
        yield

"""As much of Ray Data as a bulk run uses, in this process: the plan in order, one actor."""

from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np

CORES = 2


class RayStandIn:
    """Takes the place of the module ``ray``, connected to a machine with ``CORES`` cores.

    Args:
        stop_after: Steps after which Ctrl-C is pressed; ``None``: never.
        error: Raised by the first step.
    """

    class RayError(Exception):
        """What Ray raises."""

    def __init__(self, *, stop_after=None, error=None):
        self.stop_after, self.error = stop_after, error
        self.exceptions = SimpleNamespace(RayError=self.RayError)
        self.context = SimpleNamespace()
        self.data = SimpleNamespace(
            read_datasource=lambda source, **_: _Rows(self, source),
            ActorPoolStrategy=SimpleNamespace,
            DataContext=SimpleNamespace(get_current=lambda: self.context),
        )

    def nodes(self):
        return [{"Alive": True, "Resources": {"CPU": CORES}}]

    @contextmanager
    def session(self, *_, **__):
        """In place of ``ray_session``."""
        yield self


class _Rows:
    def __init__(self, ray, source):
        self._ray, self._source = ray, source

    def map_batches(self, worker, *, fn_constructor_args, **_):
        self._worker = worker, fn_constructor_args
        return self

    def iter_batches(self, **_):
        if self._ray.error:
            raise self._ray.error
        kind, arguments = self._worker
        work = kind(*arguments)
        done = 0
        for task in self._source.get_read_tasks(1):
            for table in task():
                for step in work({name: table[name].to_pylist() for name in ("kind", "urls")}):
                    if done == self._ray.stop_after:
                        raise KeyboardInterrupt
                    done += 1
                    yield {name: np.array(values) for name, values in step.items()}

"""What Python 3.10 and later took away, given back to clients that were made before. Imported for its effect."""

import collections
import collections.abc
import inspect

for name in ("Callable", "Iterable", "Mapping", "MutableMapping", "MutableSequence", "Sequence", "Set"):
    setattr(collections, name, getattr(collections.abc, name))
inspect.getargspec = inspect.getfullargspec

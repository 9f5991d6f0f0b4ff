# SPDX-License-Identifier: Apache-2.0
"""Reads the state dict in a PyTorch .pth file into numpy arrays, without PyTorch.

Both file formats: the zip archive (PyTorch 1.6 and later) and the stream of pickles before it. The unpickler knows
tensors and ordered dictionaries and refuses every other name, so a file cannot run code. It reads dense tensors on any
device; it does not read whole modules, sparse or quantised tensors.
"""

import collections
import pickle
import struct
import zipfile

import numpy as np

from errors import ConversionError

# torch/serialization.py
_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_PROTOCOL_VERSION = 1001
# The first bytes of the magic number as a pickle of protocol 2.
_STREAM_PREFIX = b"\x80\x02\x8a\x0a"

_DTYPES = {
    "DoubleStorage": np.dtype("<f8"),
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}


class _Storage:
    """A run of elements. The old format names it before its bytes come, so the bytes are filled in later."""

    def __init__(self, dtype, count):
        self.dtype = dtype
        self.count = count
        self.elements = None

    def fill(self, data):
        self.elements = np.frombuffer(data, dtype=self.dtype, count=self.count)


class _Tensor:
    def __init__(self, storage, offset, shape, strides):
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides

    def array(self):
        if len(self.shape) != len(self.strides) or min((self.offset, *self.shape, *self.strides)) < 0:
            raise ConversionError("the .pth file holds a tensor of an impossible shape")
        last = self.offset + sum((side - 1) * stride for side, stride in zip(self.shape, self.strides, strict=True))
        if 0 in self.shape:
            return np.zeros(self.shape, self.storage.dtype)
        if last >= self.storage.count:
            raise ConversionError("the .pth file holds a tensor that reaches beyond its storage")
        steps = [stride * self.storage.dtype.itemsize for stride in self.strides]
        view = np.lib.stride_tricks.as_strided(self.storage.elements[self.offset :], self.shape, steps)
        return np.ascontiguousarray(view).reshape(self.shape)


def _rebuild_tensor(storage, offset, shape, strides, *_):
    if not isinstance(storage, _Storage):
        raise ConversionError("the .pth file holds a tensor without a storage")
    return _Tensor(storage, int(offset), tuple(map(int, shape)), tuple(map(int, strides)))


def _rebuild_parameter(data, *_):
    return data


class _StorageType:
    def __init__(self, name):
        self.dtype = _DTYPES[name]


class _Unpickler(pickle.Unpickler):
    def __init__(self, file, open_storage):
        super().__init__(file, encoding="utf-8")
        self._open_storage = open_storage

    def find_class(self, module, name):
        known = {
            ("collections", "OrderedDict"): collections.OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
            ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
        }
        if (module, name) in known:
            return known[module, name]
        if module == "torch" and name in _DTYPES:
            return _StorageType(name)
        raise ConversionError(f"the .pth file refers to {module}.{name}; only tensors and dictionaries are read")

    def persistent_load(self, pid):
        if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage" or not isinstance(pid[1], _StorageType):
            raise ConversionError("the .pth file refers to something that is no storage")
        return self._open_storage(pid[1].dtype, str(pid[2]), int(pid[4]), pid[5] if len(pid) > 5 else None)


def _load_zip(path):
    with zipfile.ZipFile(path) as archive:
        pickles = [name for name in archive.namelist() if name == "data.pkl" or name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ConversionError(f"{path}: a zip archive, but not one of PyTorch (it has no single data.pkl)")
        folder = pickles[0].removesuffix("data.pkl")
        if folder + "byteorder" in archive.namelist() and archive.read(folder + "byteorder") != b"little":
            raise ConversionError(f"{path}: big-endian files are not read")
        storages = {}

        def open_storage(dtype, key, count, _):
            if key not in storages:
                storages[key] = _Storage(dtype, count)
                storages[key].fill(archive.read(f"{folder}data/{key}"))
            return storages[key]

        with archive.open(pickles[0]) as file:
            return _Unpickler(file, open_storage).load()


def _load_stream(file):
    storages = {}

    def open_storage(dtype, key, count, view):
        if view is not None:
            raise ConversionError("views of storages are not read")
        return storages.setdefault(key, _Storage(dtype, count))

    def load():
        return _Unpickler(file, open_storage).load()

    if load() != _MAGIC_NUMBER or load() != _PROTOCOL_VERSION or not load().get("little_endian"):
        raise ConversionError("not a little-endian PyTorch file")
    loaded = load()
    for key in load():
        if key not in storages:
            raise ConversionError("the .pth file ends with a storage that nothing refers to")
        storage = storages[key]
        (count,) = struct.unpack("<q", file.read(8))
        if count != storage.count:
            raise ConversionError("the .pth file holds a storage of an unexpected length")
        storage.fill(file.read(count * storage.dtype.itemsize))
    return loaded


def load_state_dict(path):
    """The tensors of the file by name. ConversionError if it is damaged or holds anything but a dict of tensors."""
    try:
        with open(path, "rb") as file:
            start = file.read(4)
            file.seek(0)
            if start[:2] == b"PK":
                loaded = _load_zip(path)
            elif start == _STREAM_PREFIX:
                loaded = _load_stream(file)
            else:
                raise ConversionError("neither a zip archive nor a stream of pickles")
        if not isinstance(loaded, dict) or not all(isinstance(value, _Tensor) for value in loaded.values()):
            raise ConversionError("not a dictionary of tensors")
        return {name: tensor.array() for name, tensor in loaded.items()}
    except ConversionError as error:
        raise ConversionError(f"{path}: {error}") from None
    except (
        pickle.UnpicklingError,
        zipfile.BadZipFile,
        struct.error,
        EOFError,
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
        IndexError,
    ) as error:
        raise ConversionError(f"{path}: damaged, or no PyTorch state dict ({type(error).__name__}: {error})") from None


class Weights:
    """A state dict of which every entry must be taken once."""

    def __init__(self, path, prefix=""):
        self._path = path
        self._arrays = {name.removeprefix(prefix): array for name, array in load_state_dict(path).items()}

    def take(self, name, *shape):
        """The array `name`; its shape must be `shape`. Floats come as float32."""
        if name not in self._arrays:
            raise ConversionError(f"{self._path}: weight {name} is missing")
        array = self._arrays.pop(name)
        if array.shape != shape:
            raise ConversionError(f"{self._path}: weight {name} is {list(array.shape)}, expected {list(shape)}")
        return array.astype(np.float32) if array.dtype.kind == "f" else array

    def batch_norm(self, name, channels, epsilon):
        """Scale and shift (float64) that are the batch norm `name` at inference."""
        scale, shift, mean, variance = (
            self.take(f"{name}.{part}", channels).astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        self.take(f"{name}.num_batches_tracked")
        scale = scale / np.sqrt(variance + epsilon)
        return scale, shift - mean * scale

    def finish(self):
        """ConversionError if a weight was not taken."""
        if self._arrays:
            some = ", ".join(sorted(self._arrays)[:3])
            raise ConversionError(f"{self._path}: {len(self._arrays)} weights are not of this model: {some}, ...")

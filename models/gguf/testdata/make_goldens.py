"""Golden data for package gguf, made with the Python package gguf (llama.cpp's own).

The tests never run this script; they read what it wrote. To write it anew:

    python3 -m venv /tmp/goldens && /tmp/goldens/bin/pip install gguf==0.19.0 numpy
    /tmp/goldens/bin/python models/gguf/testdata/make_goldens.py

    goldens.gguf   a key of every type of value, and the tensors
        source            F32 [3, 256]: random numbers, a row of zeros and of one constant number among them
        TYPE              source quantised to each type that the package quantises to; of K types random bytes with small scales
        want.TYPE         F32: TYPE dequantised
        stored, restored  F32 [24, 4]: rows of q of 3 heads of 8 as files of architecture llama keep them, and as Hugging Face does
        llama3.N          F32 [64 or 32]: divisors of rope_type llama3, factor N, as converters write them
        spoilt            the last of these with one number changed
"""

from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType as T, GGUFValueType as V, GGUFWriter
from gguf.quants import dequantize, quantize

HERE = Path(__file__).parent
rng = np.random.default_rng(7)
writer = GGUFWriter(HERE / "goldens.gguf", "golden")
writer.add_uint8("a.uint8", 200)
writer.add_int8("a.int8", -100)
writer.add_uint16("a.uint16", 60000)
writer.add_int16("a.int16", -30000)
writer.add_uint32("a.uint32", 4000000000)
writer.add_int32("a.int32", -2000000000)
writer.add_uint64("a.uint64", 1 << 63)
writer.add_int64("a.int64", -(1 << 62))
writer.add_float32("a.float32", 1e-5)
writer.add_float64("a.float64", 1e-5)
writer.add_bool("a.bool", True)
writer.add_string("a.string", "Grüße, 世界")
writer.add_array("a.strings", ["", "Ġt", "世"])
writer.add_array("a.ints", [3, -1, 2000000000])
writer.add_array("a.floats", [0.5, -1e5])
writer.add_array("a.bools", [True, False])
writer.add_array("a.bytes", bytes([0, 255, 7]))


def add(name, data, kind=None):
    writer.add_tensor(name, data, raw_dtype=kind)


def scales_of(blocks, *at):
    """Puts small float16 numbers of either sign into 2 bytes of each block."""
    for i in at:
        numbers = rng.normal(0, 0.01, len(blocks)).astype(np.float16)
        blocks[:, i:i + 2] = numbers.view(np.uint8).reshape(-1, 2)


source = rng.normal(0, 1, (3, 256)).astype(np.float32)
source[0, 32:64] = 0
source[1, 64:96] = -0.375
source[2, 96:128] = np.abs(source[2, 96:128])
source[2, 128:160] *= 1e-6  # scales below the normal range of float16
source[2, 200] = 1000
add("source", source)
for kind in (T.F16, T.BF16, T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1, T.Q8_0):
    data = quantize(source, kind)
    add(kind.name, data, kind)
    add("want." + kind.name, dequantize(data, kind).reshape(source.shape))
for kind, size, at in ((T.Q2_K, 84, (80, 82)), (T.Q3_K, 110, (108,)), (T.Q4_K, 144, (0, 2)), (T.Q5_K, 176, (0, 2)), (T.Q6_K, 210, (208,))):
    blocks = rng.integers(0, 256, (3, size), dtype=np.uint8)
    scales_of(blocks, *at)
    add(kind.name, blocks, kind)
    add("want." + kind.name, dequantize(blocks, kind).reshape(source.shape))

heads, width = 3, 8
stored = np.arange(heads * width * 4, dtype=np.float32).reshape(heads * width, 4)
add("stored", stored)
add("restored", np.ascontiguousarray(stored.reshape(heads, width // 2, 2, 4).swapaxes(1, 2).reshape(stored.shape)))

for factor, theta, dim in ((8, 500000.0, 128), (32, 500000.0, 64)):
    freqs = 1 / np.float32(theta) ** (np.arange(0, dim, 2, dtype=np.float32) / np.float32(dim))
    waves = 2 * np.pi / freqs
    smooth = (8192 / waves - 1) / (4 - 1)
    divisors = np.where(waves < 8192 / 4, 1, np.where(waves > 8192, factor, 1 / ((1 - smooth) / factor + smooth))).astype(np.float32)
    add(f"llama3.{factor}", divisors)
spoilt = divisors.copy()
spoilt[20] *= 1.01
add("spoilt", spoilt)

writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()

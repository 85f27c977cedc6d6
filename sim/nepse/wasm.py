"""Assembles the small WebAssembly module of the exchange's site: five functions that return the places of the junk.

Public clients download `/assets/prod/css.wasm` and call cdx, rdx, bdx, ndx and mdx, each with five 32-bit integers, of
which only the second matters. The bytes follow the WebAssembly core specification 1.0, section 5 (binary format).
"""

from hulak.sim.nepse.tokens import SHIFTS

# section 5.4, instructions
LOCAL_GET, I32_CONST, I32_LOAD8_U, END = 0x20, 0x41, 0x2D, 0x0B
I32_ADD, I32_DIV_S, I32_REM_S = 0x6A, 0x6D, 0x6F
I32 = 0x7F
FUNCTION, MEMORY = 0x00, 0x02  # kinds of exports
ONES, TENS, HUNDREDS = 1, 10, 100

# name -> digits of the salt to add, constant
EXPORTS = {
    "cdx": ((), 22),
    "rdx": ((TENS, HUNDREDS), 32),
    "bdx": ((TENS, HUNDREDS), 60),
    "ndx": ((TENS,), 88),
    "mdx": ((HUNDREDS,), 110),
}


def _unsigned(number: int) -> bytes:
    """LEB128, section 5.2.2."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _signed(number: int) -> bytes:
    """LEB128 of a number that is not negative: bit 6 of the last byte is the sign and must stay clear."""
    encoded = bytearray()
    while number > 0x3F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _vector(items: list[bytes]) -> bytes:
    return _unsigned(len(items)) + b"".join(items)


def _section(number: int, content: bytes) -> bytes:
    return bytes([number]) + _unsigned(len(content)) + content


def _const(number: int) -> bytes:
    return bytes([I32_CONST]) + _signed(number)


def _digit(unit: int) -> bytes:
    """Push (argument 2 / unit) % 10."""
    return bytes([LOCAL_GET, 1]) + _const(unit) + bytes([I32_DIV_S]) + _const(10) + bytes([I32_REM_S])


def _function(digits: tuple[int, ...], constant: int) -> bytes:
    code = _digit(ONES) + _digit(TENS) + bytes([I32_ADD]) + _digit(HUNDREDS) + bytes([I32_ADD])
    code += bytes([I32_LOAD8_U, 0, 0])  # alignment 0, offset 0: the table begins at address 0
    for unit in digits:
        code += _digit(unit) + bytes([I32_ADD])
    code += _const(constant) + bytes([I32_ADD, END])
    body = b"\x00" + code  # no local variables
    return _unsigned(len(body)) + body


def css_wasm() -> bytes:
    """Assemble the module.

    Returns:
        the bytes of a valid module without imports, exporting cdx, rdx, bdx, ndx, mdx and its memory.
    """
    name = "memory"
    exports = [_unsigned(len(export)) + export.encode() + bytes([FUNCTION, place]) for place, export in enumerate(EXPORTS)]
    exports.append(_unsigned(len(name)) + name.encode() + bytes([MEMORY, 0]))
    table = bytes(int(digit) for digit in SHIFTS)
    return b"".join(
        [
            b"\x00asm\x01\x00\x00\x00",
            _section(1, _vector([b"\x60" + _vector([bytes([I32])] * 5) + _vector([bytes([I32])])])),
            _section(3, _vector([b"\x00"] * len(EXPORTS))),
            _section(5, _vector([b"\x00\x01"])),  # one memory of one page
            _section(7, _vector(exports)),
            _section(10, _vector([_function(*parts) for parts in EXPORTS.values()])),
            _section(11, _vector([b"\x00" + _const(0) + bytes([END]) + _unsigned(len(table)) + table])),
        ],
    )

"""Ways to write one phone number: what people, address books, spreadsheets, links and other tools make of it."""

from __future__ import annotations


def spellings(number: str) -> list[str]:
    """The spellings of a number in normal form whose calling code has three digits (966…)."""
    code, area, start, end = number[:3], number[3:5], number[5:8], number[8:]
    parts = (code, area, start, end)

    def in_script(zero: int) -> str:
        return "".join(chr(zero + int(digit)) for digit in number)

    return [
        number,
        f"+{number}",
        f"00{number}",
        f"+00{number}",
        f" {number} ",
        f"+{code} {area} {start} {end}",
        f"00{code} ({area}) {start}-{end}",
        *(f"+{hyphen.join(parts)}" for hyphen in "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63\uff0d"),
        *(space.join(parts) for space in "\u00a0\u2007\u2009\u202f"),
        ".".join(parts),
        "/".join(parts),
        f"[{code}] {area}{start}{end}",
        f"+{code} (0){area} {start} {end}",
        f"+{code}(0){area}{start}{end}",
        f"00{code} ( 0 ) {area} {start} {end}",
        f"tel:+{number}",
        f"TEL:+{code}-{area}-{start}-{end}",
        f"tel:+{number};ext=7",
        f"whatsapp:+{number}",
        f"{number}@s.whatsapp.net",
        f"{number}:12@s.whatsapp.net",
        f"{number}@c.us",
        f"wa.me/{number}",
        f"https://wa.me/{number}?text=hello%20there",
        f"https://wa.me/+{number}",
        f"https://api.whatsapp.com/send?phone={number}&text=1",
        f"whatsapp://send?phone=%2B{number}",
        f"\u200b{number}\u200b",
        f"{code}\u200d{area}\u200c{start}\u2060{end}",
        f"\u202a+{code} {area} {start} {end}\u202c",
        f"\u2066+{number}\u2069",
        f"\u200e+{number}\u200f",
        f"\ufeff{number}",
        f"{code}\u00ad{area}{start}{end}",
        f"'{number}",
        f"'+{number}",
        f'="{number}"',
        f"\u2018{number}\u2019",
        f"Phone: +{number}",
        f"Tel. {code} {area}{start}{end}",
        f"Mobile {number}",
        f"+{number} ext. 5",
        f"+{number}x5",
        f"+{code} {area} {start} {end} (home)",
        f"smsto:{number}:hello",
        f"jid:{number}@s.whatsapp.net",
        f"%2B{number}",
        f"+{code}%20{area}{start}{end}",
        f"+{code}&nbsp;{area}{start}{end}",
        f"#{number}",
        f"{number};",
        f"{number}.000000",
        f"{number[0]}.{number[1:]}E+{len(number) - 1}",
        f"{number}.0",
        f"+{number}.0",
        in_script(0x0660),
        f"+{in_script(0x06F0)}",
        in_script(0x0966),
        in_script(0xFF10),
    ]

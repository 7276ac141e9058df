"""Small PDFs written by hand, byte for byte the same each time: whole, and in every way not so."""

PAGE = b"BT /F1 12 Tf 72 770 Td (Deliberation du conseil municipal) Tj ET"


def small_pdf(filler: bytes = b"", pages: int = 1) -> bytes:
    """A PDF of some pages with one line each; `filler` is an object that nobody looks at, to make it large."""
    kids = b" ".join(b"%d 0 R" % (5 + n) for n in range(pages))
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, pages),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        b"<</Length %d>>\nstream\n%s\nendstream" % (len(PAGE), PAGE),
    ]
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F1 3 0 R>>>>/Contents 4 0 R>>"
    objects += [page] * pages
    if filler:
        objects.append(b"<</Length %d>>\nstream\n%s\nendstream" % (len(filler), filler))
    return assemble(objects)


def assemble(objects: list[bytes], start: bytes = b"%PDF-1.4\n") -> bytes:
    """The file of these objects, with its table."""
    body, places = bytearray(start), []
    for number, data in enumerate(objects, 1):
        places.append(len(body))
        body += b"%d 0 obj\n" % number + data + b"\nendobj\n"
    table = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    table += b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(body))
    return bytes(body) + table + trailer


PDF = small_pdf()

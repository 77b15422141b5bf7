"""Recognises files of other kinds by how they begin, for error messages."""

GZIP = b"\x1f\x8b"  # how a gzip file begins

BEGINNINGS = {
    b"version https://git-lfs": "a Git LFS pointer in place of the file; `git lfs pull` fetches the file itself",
    GZIP: "a gzip file within the gzip file: it was packed twice; unpack it once with gunzip",
    b"PK\x03\x04": "a ZIP archive; unpack it first",
    b"7z\xbc\xaf": "a 7-Zip archive; unpack it first",
    b"Rar!": "a RAR archive; unpack it first",
    b"BZh": "a bzip2 file; unpack it first with bunzip2",
    b"\xfd7zXZ": "an xz file; unpack it first with unxz",
    b"\x89HDF": "an HDF5 file; docs/data.md says how to convert it",
    b"MATLAB": "a MATLAB file; docs/data.md says how to convert it",
    b"\x93NUMPY": "a NumPy file; it should end in .npy",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"%PDF": "a PDF document",
}


def what_else(content: bytes) -> str | None:
    """Return a description of the kind of file that begins like this, and a remedy; None if it is unknown."""
    for beginning, words in BEGINNINGS.items():
        if content.startswith(beginning):
            return words
    if content.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<":
        return "a web page (an error or a login, perhaps); download the file again"
    return None if any(content) or not content else "a file that begins with zeros"

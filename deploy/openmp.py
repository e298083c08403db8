"""Link an OpenMP runtime for LightGBM into a folder, where the system has none.

LightGBM's wheel needs `libgomp.so.1`, which slim images lack; scikit-learn's wheel carries its own
copy
under another name. Run by `make setup`; a container image should install libgomp1 instead.
"""

import ctypes
import sys
from pathlib import Path


def link_openmp(folder: Path) -> None:
    try:
        ctypes.CDLL("libgomp.so.1")
    except OSError:
        import sklearn

        libs = Path(sklearn.__file__).parent.parent / "scikit_learn.libs"
        copy = next(libs.glob("libgomp-*.so*"), None)
        if copy is None:
            sys.exit("LightGBM needs OpenMP: install libgomp1 (Debian) or libgomp (Fedora, Alpine)")
        folder.mkdir(parents=True, exist_ok=True)
        link = folder / "libgomp.so.1"
        link.unlink(missing_ok=True)
        link.symlink_to(copy)


if __name__ == "__main__":
    link_openmp(Path(sys.argv[1]))

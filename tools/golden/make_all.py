"""Makes every golden file again but those of authors_*.py, which need checkouts of the authors' code (authors.py).

Packages: see common.py. Run: python tools/golden/make_all.py
"""

import pathlib
import subprocess
import sys

for script in sorted(pathlib.Path(__file__).parent.glob("make_*.py")):
    if script.name != "make_all.py":
        subprocess.run([sys.executable, str(script)], check=True)

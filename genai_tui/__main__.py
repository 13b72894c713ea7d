"""`python -m genai_tui` is the `genai-tui` command."""

from __future__ import annotations

import sys

from genai_tui.cli import main

if __name__ == "__main__":
    sys.exit(main())

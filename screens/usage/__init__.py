"""Usage: what the ledger of this machine holds, over a window of time, by any dimension."""

from screens.usage.screen import UsageScreen

__all__ = ["UsageScreen"]

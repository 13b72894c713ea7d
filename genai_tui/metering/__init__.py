"""The local ledger: who asked what, what it used, what it cost at the price in force; alone in using `sqlite_utils`."""

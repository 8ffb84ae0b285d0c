"""The ledger without I/O: accounts, lots, holds, postings and the arithmetic between them."""

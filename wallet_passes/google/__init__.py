"""Google Wallet passes: one class for the programme, one object for each member who saved it, updated by REST."""

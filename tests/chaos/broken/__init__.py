"""Settings with bugs planted, for the programs that scenarios start: `CHAOS_BUGS` names them."""

"""Who may call: the signed tokens of CDS clients, their public keys, and tokens that were used before."""

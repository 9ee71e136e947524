"""One module per command of `anakinra-cds`, each with its click command under the name `command`."""

"""What a site's calls say before anybody is shown anything: what came, what was not understood, what would be shown."""

"""One file per dataset, named as it is registered."""

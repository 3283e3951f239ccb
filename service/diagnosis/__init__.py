"""Why a run learns or does not, while it runs and afterwards."""

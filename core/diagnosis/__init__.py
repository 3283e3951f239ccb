"""Why a run learns or does not: rules on what was noticed of it, each verdict with the number it rests on."""

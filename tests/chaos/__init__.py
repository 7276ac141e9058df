"""The campaign: real parts are broken in every way while clients deposit; then what was answered is looked for."""

"""The commands of `tdt admin`: the operator's door to groups, collectivités, accounts, conventions."""

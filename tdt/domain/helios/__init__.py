"""HELIOS: what is true of PES flows, their names and the answers of the DGFiP. No I/O."""

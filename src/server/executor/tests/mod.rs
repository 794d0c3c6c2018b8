//! Recoveries carried out over simple stand-ins.

//! Stores for sealmq state: in memory, and an encrypted embedded database.

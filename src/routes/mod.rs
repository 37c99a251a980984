//! Routes: which person belongs to which t3, where there are several.

pub mod address;
pub mod row;
pub mod table;
pub mod table_file;

//! Routes: which person belongs to which t3, where there are several.

pub mod address;
pub mod file;
pub mod row;
mod row_fields;
pub mod row_options;
mod stamp;
pub mod table;
pub mod table_file;

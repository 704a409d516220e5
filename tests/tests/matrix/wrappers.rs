use super::rows::Row;
pub fn rows() -> Vec<Row> {
    vec![]
}

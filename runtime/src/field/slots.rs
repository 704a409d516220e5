//! Converts between typed structs and one JSON value per field.

use karat_lm::{Error, ErrorKind, Result, internal::shortened};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Field, FieldType, sorted, wide};

/// Splits typed values into one JSON value per field, in declared order.
#[derive(Debug, Default)]
pub struct Writer {
    values: Vec<Value>,
    mistake: Option<(usize, serde_json::Error)>,
}

impl Writer {
    /// Adds the next field's value, the entries of its maps sorted by key.
    pub fn put<T: FieldType>(&mut self, value: &T) {
        let value = sorted::to_value(value).unwrap_or_else(|error| {
            self.mistake.get_or_insert((self.values.len(), error));
            Value::Null
        });
        self.values.push(value);
    }

    /// Returns the values, or an error for the first without a JSON form (e.g. a map whose keys are no strings).
    pub(crate) fn finish<'n>(self, name: impl Fn(usize) -> Option<&'n str>) -> Result<Vec<Value>> {
        match self.mistake {
            None => Ok(self.values),
            Some((index, error)) => {
                let name = name(index).unwrap_or("?");
                let message = format!("the value of field `{name}` has no JSON form: {error}");
                Err(Error::new(ErrorKind::BadInput, message).with_field(name).with_source(error))
            }
        }
    }
}

/// Builds typed values from one JSON value per field, in declared order.
#[derive(Debug)]
pub struct Reader<'a> {
    fields: &'a [Field],
    values: std::vec::IntoIter<Option<Value>>,
    next: usize,
}

impl<'a> Reader<'a> {
    /// Takes the values to read, one for each field.
    pub(crate) fn new(fields: &'a [Field], values: Vec<Option<Value>>) -> Self {
        Self { fields, values: values.into_iter(), next: 0 }
    }

    /// Reads the next field's value.
    ///
    /// # Errors
    /// [`is_parse`](Error::is_parse), with the field's name: the value is absent or of another type.
    pub fn take<T: FieldType>(&mut self) -> Result<T> {
        let name = self.fields.get(self.next).map_or("?", Field::name);
        self.next += 1;
        read_value(name, self.values.next().flatten())
    }
}

/// Reads one field's value as its type; an absent value is null, which `Option` takes.
pub(crate) fn read_value<T: DeserializeOwned>(name: &str, value: Option<Value>) -> Result<T> {
    let Some(value) = value else {
        return serde_json::from_value(Value::Null)
            .map_err(|_| Error::parse(format!("the field `{name}` is missing")).with_field(name));
    };
    // Deserializing by reference keeps the value for the message without a copy on the good path.
    wide::read::<T>(&value).map_err(|error| {
        let found = shortened(&value.to_string(), 200);
        // serde's message may quote the whole value once more.
        let why = shortened(&error.to_string(), 300);
        Error::parse(format!("the field `{name}` cannot be read from {found}: {why}"))
            .with_field(name)
            .with_source(error)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_absent_value_is_none_for_an_option_and_an_error_otherwise() {
        assert_eq!(read_value::<Option<u8>>("x", None).unwrap(), None);
        assert_eq!(read_value::<u8>("x", None).unwrap_err().field(), Some("x"));
        assert!(read_value::<u8>("x", Some(json!(300))).unwrap_err().to_string().contains("300"));
    }
}

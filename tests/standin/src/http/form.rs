//! A form's fields (`application/x-www-form-urlencoded`).

/// The fields in order, decoded.
#[derive(Debug)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    pub(crate) fn parse(body: &[u8]) -> Form {
        let fields = body.split(|&c| c == b'&').filter(|field| !field.is_empty());
        Form(fields.map(field).collect())
    }

    /// The first field of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut named = self.0.iter().filter(|(own, _)| own == name);
        named.next().map(|(_, value)| value.as_str())
    }
}

fn field(field: &[u8]) -> (String, String) {
    let at = field.iter().position(|&c| c == b'=').unwrap_or(field.len());
    let value = field.get(at + 1..).unwrap_or_default();
    (decoded(&field[..at]), decoded(value))
}

/// Percent signs that are no escapes stay as they are.
fn decoded(text: &[u8]) -> String {
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&c) = text.get(at) {
        let escaped = (c == b'%').then(|| Some(digit(at + 1)? * 16 + digit(at + 2)?));
        match (c, escaped.flatten()) {
            (_, Some(code)) => {
                out.push(code as u8);
                at += 2;
            }
            (b'+', None) => out.push(b' '),
            (c, None) => out.push(c),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_decoded() {
        let form = Form::parse(b"a=x%3Ay+z&b&c=&a=2&d=50%");
        assert_eq!(form.get("a"), Some("x:y z"));
        assert_eq!(
            (form.get("b"), form.get("c"), form.get("d")),
            (Some(""), Some(""), Some("50%"))
        );
        assert_eq!(form.get("e"), None);
    }
}

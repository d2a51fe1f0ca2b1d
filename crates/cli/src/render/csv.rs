//! Replies as comma-separated values (RFC 4180, with bare line feeds): a flat array is one row, an array of
//! arrays a row each, a map a row for each pair. What is nested deeper stays in its row, flattened.

use client::Value;

pub(super) fn write(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Array(items) | Value::Set(items) | Value::Push(items) => {
            if items.iter().any(is_nested) {
                items.iter().for_each(|item| row(out, &[item]));
            } else {
                row(out, &items.iter().collect::<Vec<_>>());
            }
        }
        Value::Map(pairs) => pairs.iter().for_each(|(key, value)| row(out, &[key, value])),
        single => row(out, &[single]),
    }
}

fn is_nested(value: &Value) -> bool {
    matches!(value, Value::Array(_) | Value::Set(_) | Value::Push(_) | Value::Map(_))
}

fn row(out: &mut Vec<u8>, values: &[&Value]) {
    let mut cells = Vec::new();
    values.iter().for_each(|value| flatten(&mut cells, value));
    for (index, cell) in cells.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_cell(out, cell);
    }
    out.push(b'\n');
}

fn flatten(cells: &mut Vec<Vec<u8>>, value: &Value) {
    match value {
        Value::Array(items) | Value::Set(items) | Value::Push(items) => {
            items.iter().for_each(|item| flatten(cells, item));
        }
        Value::Map(pairs) => pairs.iter().for_each(|(key, value)| {
            flatten(cells, key);
            flatten(cells, value);
        }),
        Value::Simple(text) | Value::Error(text) | Value::BigNumber(text) => cells.push(text.clone().into()),
        Value::Bulk(bytes) | Value::Verbatim { text: bytes, .. } => cells.push(bytes.clone()),
        Value::Int(number) => cells.push(number.to_string().into()),
        Value::Double(number) => cells.push(number.to_string().into()),
        Value::Boolean(truth) => cells.push(truth.to_string().into()),
        Value::Null => cells.push(Vec::new()),
    }
}

fn write_cell(out: &mut Vec<u8>, cell: &[u8]) {
    if !cell.iter().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r')) {
        out.extend_from_slice(cell);
        return;
    }
    out.push(b'"');
    for &byte in cell {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}

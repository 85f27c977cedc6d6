//! Any value of msgpack, with rmp: read from bytes and written to them.
#![allow(dead_code)] // no program needs all of it
use rmp::{decode, encode, Marker};
use std::error::Error;
use Value::{Array, Bool, Bytes, Float, Int, Map, Nil, Text};

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Nil,
    Bool(bool),
    Int(i128), // 64 bits, with or without a sign
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    Array(Vec<Value>),
    Map(Vec<(Value, Value)>),
}

impl Value {
    /// Returns the value of a key of a map, nil if there is none.
    pub fn get(&self, key: &str) -> &Value {
        let Map(pairs) = self else { return &Nil };
        pairs.iter().find(|(name, _)| matches!(name, Text(text) if text == key)).map_or(&Nil, |(_, value)| value)
    }

    /// Returns an item of an array, nil if there is none.
    pub fn at(&self, index: usize) -> &Value {
        self.items().get(index).unwrap_or(&Nil)
    }

    pub fn items(&self) -> &[Value] {
        if let Array(items) = self { items } else { &[] }
    }

    pub fn bytes(&self) -> &[u8] {
        if let Bytes(bytes) = self { bytes } else { &[] }
    }

    pub fn unsigned(&self) -> Option<u64> {
        if let Int(number) = self { u64::try_from(*number).ok() } else { None }
    }

    /// Reads one value; the slice is then what follows it.
    pub fn read(from: &mut &[u8]) -> Result<Value> {
        let marker = Marker::from_u8(*from.first().ok_or("a value is cut")?);
        Ok(match marker {
            Marker::Null => decode::read_nil(from).map(|()| Nil)?,
            Marker::True | Marker::False => Bool(decode::read_bool(from)?),
            Marker::F32 => Float(decode::read_f32(from)?.into()),
            Marker::F64 => Float(decode::read_f64(from)?),
            Marker::U64 => Int(decode::read_u64(from)?.into()),
            Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => {
                Text(String::from_utf8(take(decode::read_str_len(from).map_err(|_| "a text is cut")?, from)?)?)
            }
            Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => Bytes(take(decode::read_bin_len(from)?, from)?),
            Marker::FixArray(_) | Marker::Array16 | Marker::Array32 => {
                let size = decode::read_array_len(from)?;
                Array((0..size).map(|_| Value::read(from)).collect::<Result<_>>()?)
            }
            Marker::FixMap(_) | Marker::Map16 | Marker::Map32 => {
                let size = decode::read_map_len(from)?;
                Map((0..size).map(|_| Ok((Value::read(from)?, Value::read(from)?))).collect::<Result<_>>()?)
            }
            Marker::FixExt1 | Marker::FixExt2 | Marker::FixExt4 | Marker::FixExt8 | Marker::FixExt16 | Marker::Ext8
            | Marker::Ext16 | Marker::Ext32 => Bytes(take(decode::read_ext_meta(from)?.size, from)?),
            _ => Int(decode::read_int::<i64, _>(from)?.into()),
        })
    }

    pub fn write(&self, to: &mut Vec<u8>) -> Result<()> {
        match self {
            Nil => encode::write_nil(to)?,
            Bool(value) => encode::write_bool(to, *value)?,
            Int(value) if *value < 0 => encode::write_sint(to, i64::try_from(*value)?).map(|_| ())?,
            Int(value) => encode::write_uint(to, u64::try_from(*value)?).map(|_| ())?,
            Float(value) => encode::write_f64(to, *value)?,
            Text(value) => encode::write_str(to, value)?,
            Bytes(value) => encode::write_bin(to, value)?,
            Array(items) => {
                encode::write_array_len(to, items.len() as u32)?;
                items.iter().try_for_each(|item| item.write(to))?
            }
            Map(pairs) => {
                encode::write_map_len(to, pairs.len() as u32)?;
                pairs.iter().try_for_each(|(key, value)| key.write(to).and_then(|()| value.write(to)))?
            }
        }
        Ok(())
    }
}

fn take(size: u32, from: &mut &[u8]) -> Result<Vec<u8>> {
    let taken = from.get(..size as usize).ok_or("a value is cut")?;
    *from = &from[taken.len()..];
    Ok(taken.to_vec())
}

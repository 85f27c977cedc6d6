-- | Any value of msgpack: read from bytes and written to them. Debian has no msgpack package for Haskell.
module HulakValue (Value (..), pack, unpack) where

import Control.Monad (replicateM)
import Data.Binary.Get
import Data.Binary.Put
import Data.Bits ((.&.))
import Data.ByteString (ByteString)
import qualified Data.ByteString as B
import qualified Data.ByteString.Lazy as L
import GHC.Float (castWord32ToFloat, castWord64ToDouble, float2Double)

data Value
  = Nil
  | Flag Bool
  | Whole Integer -- 64 bits, with or without a sign
  | Fraction Double
  | Text ByteString
  | Bytes ByteString
  | Array [Value]
  | Map [(Value, Value)]
  deriving (Eq)

-- | As they are printed: numbers and texts; the bid or ask of a side of the book that is empty is nil.
instance Show Value where
  show Nil = "nil"
  show (Flag flag) = show flag
  show (Whole number) = show number
  show (Fraction number) = show number
  show (Text text) = map (toEnum . fromEnum) (B.unpack text)
  show (Bytes bytes) = show bytes
  show (Array values) = show values
  show (Map pairs) = show pairs

unpack :: ByteString -> Value
unpack = runGet value . L.fromStrict

value :: Get Value
value = getWord8 >>= read'
  where
    read' tag
      | tag < 0x80 = pure (Whole (fromIntegral tag))
      | tag < 0x90 = dictionary (fromIntegral tag .&. 15)
      | tag < 0xa0 = Array <$> replicateM (fromIntegral tag .&. 15) value
      | tag < 0xc0 = Text <$> getByteString (fromIntegral tag .&. 31)
      | tag >= 0xe0 = pure (Whole (fromIntegral tag - 256))
      | tag >= 0xc7 && tag <= 0xc9 = extension =<< size (tag - 0xc7)
      | tag >= 0xd4 && tag <= 0xd8 = extension (2 ^ (tag - 0xd4))
      | tag >= 0xc4 && tag <= 0xc6 = Bytes <$> (getByteString =<< size (tag - 0xc4))
      | tag >= 0xd9 && tag <= 0xdb = Text <$> (getByteString =<< size (tag - 0xd9))
      | tag == 0xdc || tag == 0xdd = Array <$> (flip replicateM value =<< size (tag - 0xdb))
      | tag == 0xde || tag == 0xdf = dictionary =<< size (tag - 0xdd)
      | otherwise = case tag of
        0xc2 -> pure (Flag False)
        0xc3 -> pure (Flag True)
        0xca -> Fraction . float2Double . castWord32ToFloat <$> getWord32be
        0xcb -> Fraction . castWord64ToDouble <$> getWord64be
        0xcc -> Whole . fromIntegral <$> getWord8
        0xcd -> Whole . fromIntegral <$> getWord16be
        0xce -> Whole . fromIntegral <$> getWord32be
        0xcf -> Whole . fromIntegral <$> getWord64be
        0xd0 -> Whole . fromIntegral <$> getInt8
        0xd1 -> Whole . fromIntegral <$> getInt16be
        0xd2 -> Whole . fromIntegral <$> getInt32be
        0xd3 -> Whole . fromIntegral <$> getInt64be
        _ -> pure Nil
    size width = case width of
      0 -> fromIntegral <$> getWord8
      1 -> fromIntegral <$> getWord16be
      _ -> fromIntegral <$> getWord32be
    dictionary count = Map <$> replicateM count ((,) <$> value <*> value)
    extension count = Bytes <$> (getWord8 *> getByteString count)

-- | In a form that fits all sizes: shorter ones are not needed.
pack :: Value -> ByteString
pack = L.toStrict . runPut . put'
  where
    put' Nil = putWord8 0xc0
    put' (Flag flag) = putWord8 (if flag then 0xc3 else 0xc2)
    put' (Whole number) | number < 0 = putWord8 0xd3 >> putInt64be (fromInteger number)
    put' (Whole number) = putWord8 0xcf >> putWord64be (fromInteger number)
    put' (Fraction number) = putWord8 0xcb >> putDoublebe number
    put' (Text text) = putWord8 0xdb >> sized text
    put' (Bytes bytes) = putWord8 0xc6 >> sized bytes
    put' (Array values) = putWord8 0xdd >> count values >> mapM_ put' values
    put' (Map pairs) = putWord8 0xdf >> count pairs >> mapM_ (\(name, item) -> put' name >> put' item) pairs
    sized bytes = putWord32be (fromIntegral (B.length bytes)) >> putByteString bytes
    count list = putWord32be (fromIntegral (length list))

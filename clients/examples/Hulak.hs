-- | What the programs in Haskell share: messages, publications and connecting. bus/PROTOCOL.md sections 3.1, 4.1 and 14.
module Hulak (module Hulak, module HulakValue) where

import Data.Binary.Get (getWord64be, runGet)
import Data.ByteString (ByteString)
import qualified Data.ByteString as B
import qualified Data.ByteString.Char8 as C
import qualified Data.ByteString.Lazy as L
import Data.Int (Int64)
import Data.List (stripPrefix)
import Data.Maybe (fromMaybe, listToMaybe)
import HulakValue
import System.Environment (lookupEnv)
import System.IO (IOMode (ReadMode), withBinaryFile)
import System.ZMQ4

number :: Integral a => a -> Value
number = Whole . toInteger

-- | The value of a key of a map, nil if there is none.
key :: ByteString -> Value -> Value
key name (Map pairs) = fromMaybe Nil (lookup (Text name) pairs)
key _ _ = Nil

items :: Value -> [Value]
items (Array values) = values
items _ = []

-- | An item of an array, nil if there is none.
at :: Int -> Value -> Value
at index = fromMaybe Nil . listToMaybe . drop index . items

whole :: Value -> Maybe Integer
whole (Whole integer) = Just integer
whole _ = Nothing

-- | 16 random bytes: unique also over time.
newId :: IO Value
newId = Bytes <$> withBinaryFile "/dev/urandom" ReadMode (`B.hGet` 16)

-- | Sends one byte of kind and a msgpack array of the values.
sendMessage :: Socket Dealer -> Char -> [Value] -> IO ()
sendMessage socket kind values = send socket [] (C.cons kind (pack (Array values)))

-- | Receives a message: its kind and its array; none within the time limit in ms.
receiveMessage :: Int64 -> Socket Dealer -> IO (Maybe (Char, Value))
receiveMessage limit socket = do
  [events] <- poll limit [Sock socket [In] Nothing]
  if null events then pure Nothing else fmap (\frame -> (C.head frame, unpack (B.tail frame))) . Just <$> receive socket

-- | topic NUL epoch sequence time_ns body
data Publication = Publication {topic :: ByteString, epoch, sequenceOf :: Integer, body :: Value}

open :: ByteString -> Publication
open frame = Publication name (integer 1) (integer 9) (unpack (B.drop 25 rest))
  where
    (name, rest) = B.break (== 0) frame
    integer offset = toInteger (runGet getWord64be (L.fromStrict (B.drop offset rest)))

-- | Connects: with a key (CURVE) if HULAK_KEY names its file and the address is TCP.
connectWithKey :: Socket a -> String -> IO ()
connectWithKey socket address = do
  path <- fromMaybe "" <$> lookupEnv "HULAK_KEY"
  case stripPrefix "tcp://" address of
    Just place | not (null path) -> do
      pairs <- map (fmap (C.filter (/= '"') . B.drop 3) . C.break (== ' ')) . C.lines <$> B.readFile path
      let part name = maybe (fail (path ++ " is no key file")) pure (lookup (C.pack name) pairs)
      setImmediate True socket -- nothing is queued for a connection that is not made
      part "public" >>= \public -> setCurvePublicKey TextFormat (restrict public) socket
      part "secret" >>= \secret -> setCurveSecretKey TextFormat (restrict secret) socket
      part "server" >>= \server -> setCurveServerKey TextFormat (restrict server) socket
      connect socket address
      case lookup (C.pack "server_next") pairs of
        Nothing -> pure ()
        Just next -> do
          -- the broker's key is being replaced: of these two connections only one is made
          setCurveServerKey TextFormat (restrict next) socket
          connect socket ("tcp://0.0.0.0:0;" ++ place) -- libzmq connects to one text of an address only once
    _ -> connect socket address

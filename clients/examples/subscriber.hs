{-# LANGUAGE OverloadedStrings #-}

-- | A subscriber in Haskell that repairs its gaps: bus/PROTOCOL.md sections 3, 4.1 and 7.3.
--
--     apt-get install ghc libghc-zeromq4-haskell-dev
--     ghc -O2 -threaded -outputdir build/subscriber -o subscriber subscriber.hs
--     ./subscriber ipc://$run/publisher.ipc ipc://$run/frontend.ipc tick.EURUSD 100
--
-- Prints `sequence bid ask` of COUNT ticks: in order, without duplicates or gaps.
module Main (main) where

import Control.Applicative ((<|>))
import Control.Monad (foldM)
import Data.ByteString (ByteString)
import qualified Data.ByteString.Char8 as C
import Data.Maybe (fromMaybe)
import Hulak
import System.Environment (getArgs)
import System.IO
import System.ZMQ4

-- | Of one topic: the next number, 0 before the first; the epoch; ticks to print.
data State = State {expected :: Integer, known :: Integer, remaining :: Integer}

-- | A range of ticks, and what is requested: they, and the number behind the last one that is answered.
type Replay = Integer -> Integer -> IO ([Publication], Integer)

main :: IO ()
main = do
  [publisher, frontend, name, count] <- getArgs
  hSetBuffering stdout LineBuffering
  withContext $ \context -> withSocket context Sub $ \live -> withSocket context Dealer $ \dealer -> do
    setReceiveHighWM (restrict (100000 :: Int)) live -- libzmq's default of 1,000 is less than a burst
    setSendHighWM (restrict (0 :: Int)) live -- or it drops subscriptions beyond 1,000
    mapM_ (\wanted -> subscribe live (C.snoc wanted '\0')) [C.pack name, "heartbeat"] -- or tick.EURUSDX matches too
    connectWithKey live publisher
    connectWithKey dealer frontend
    follow live (C.pack name) (replay dealer (C.pack name)) (State 0 0 (read count))

follow :: Socket Sub -> ByteString -> Replay -> State -> IO ()
follow _ _ _ state | remaining state == 0 = pure ()
follow live name again state = do
  seen <- open <$> receive live
  follow live name again =<< case whole (key name (key "topics" (body seen))) of
    _ | epoch seen < known state -> pure state
    _ | topic seen == name -> repair again (epoch seen) (sequenceOf seen - 1) state >>= (`display` seen)
    Just newest | topic seen == "heartbeat", expected state > 0 -> repair again (epoch seen) newest state -- a last tick was lost
    _ -> pure state

-- | Prints a new tick; it is the next one, or those before it are no longer available.
display :: State -> Publication -> IO State
display state tick
  | remaining state == 0 || sequenceOf tick < expected state || epoch tick > known state = pure state
  | otherwise = do
    putStrLn (unwords [show (sequenceOf tick), show (key "bid" (body tick)), show (key "ask" (body tick))])
    pure state {expected = sequenceOf tick + 1, remaining = remaining state - 1}

-- | Prints all missing ticks up to a number; live ticks wait meanwhile, and an overflow is the next gap.
repair :: Replay -> Integer -> Integer -> State -> IO State
repair again newer newest state
  | expected state == 0 = repair again newer newest state {expected = newest + 1}
  | newer > known state = do
    -- it may use numbers again for other ticks: the first of them is expected
    first <- if known state == 0 then pure (expected state) else goBack (min (expected state) (newest + 1))
    repair again newer newest state {expected = first, known = newer}
  | expected state > newest || remaining state == 0 = pure state
  | otherwise = do
    (ticks, further) <- again (expected state) (min newest (expected state + remaining state - 1))
    shown <- foldM display state ticks
    repair again newer newest shown {expected = max further (expected shown)}
  where
    goBack first
      | first <= 1 = pure first
      | otherwise = do
        (ticks, _) <- again (first - 1) (first - 1)
        if any ((> known state) . epoch) ticks then goBack (first - 1) else pure first

-- | Requests ticks again, until there is an answer.
replay :: Socket Dealer -> ByteString -> Replay
replay dealer name first final = newId >>= ask
  where
    ask request = do
      let range = Map [(Text "topic", Text name), (Text "from", Whole first), (Text "to", Whole final)]
      sendMessage dealer 'Q' [request, Text "hulak.replay", Text "", range, Map []]
      answers request []
    answers request ticks = do
      answer <- receiveMessage 1000 dealer -- ms; without an answer the request is repeated
      case answer of
        Nothing -> replay dealer name first final
        Just (kind, values)
          | at 0 values /= request || (kind == 'E' && at 1 values == Text "BUSY") -> answers request ticks
          | kind == 'P' -> answers request (ticks ++ [open frame | row <- items (at 2 values), Bytes frame <- [at 1 row]])
          | otherwise -> do
            -- nothing before `further` is available
            let further = whole (key "next" (at 1 values)) <|> whole (key "oldest" (at 3 values))
            pure (ticks, min (final + 1) (fromMaybe (final + 1) further))

{-# LANGUAGE OverloadedStrings #-}

-- | Calls of an action in Haskell: bus/PROTOCOL.md section 4.
--
--     apt-get install ghc libghc-zeromq4-haskell-dev
--     ghc -O2 -threaded -outputdir build/call -o call call.hs
--     ./call ipc://$run/frontend.ipc sums add 3
--
-- Call N of COUNT has the arguments a N and b N. Prints `part VALUE`, then `reply VALUE` or `error CODE` of each.
module Main (main) where

import Control.Monad (forM_)
import qualified Data.ByteString.Char8 as C
import Hulak
import System.Environment (getArgs)
import System.IO
import System.ZMQ4

-- | The kind of the last answer, its value or code, and the parts.
type Outcome = (Char, Value, [Value])

giveUp :: Int
giveUp = 60 -- s

call :: Socket Dealer -> String -> String -> Value -> IO Outcome
call dealer service action args = newId >>= attempt giveUp []
  where
    -- Without an answer in a second the request is sent again, under its id: the broker joins it with the one in progress.
    attempt seconds parts request
      | seconds == 0 = pure ('E', Text "NO_ANSWER", parts)
      | otherwise = do
        let options = Map [(Text "timeout_ms", number (1000 * giveUp))]
        sendMessage dealer 'Q' [request, Text (C.pack service), Text (C.pack action), args, options]
        answers seconds parts request
    answers seconds parts request = do
      answer <- receiveMessage 1000 dealer
      case answer of
        Nothing -> attempt (seconds - 1) parts request
        Just (kind, values)
          | at 0 values /= request -> answers seconds parts request -- of an earlier call
          | kind /= 'P' -> pure (kind, at 1 values, parts)
          | at 1 values == number (1 :: Int) -> answers seconds [at 2 values] request -- another attempt sends all of its parts
          | otherwise -> answers seconds (parts ++ [at 2 values]) request

main :: IO ()
main = do
  [frontend, service, action, count] <- getArgs
  hSetBuffering stdout LineBuffering
  withContext $ \context -> withSocket context Dealer $ \dealer -> do
    setLinger (restrict (0 :: Int)) dealer
    connectWithKey dealer frontend
    forM_ [1 .. read count :: Int] $ \n -> do
      (kind, value, parts) <- call dealer service action (Map [(Text "a", number n), (Text "b", number n)])
      mapM_ (putStrLn . ("part " ++) . show) parts
      putStrLn ((if kind == 'R' then "reply " else "error ") ++ show value)

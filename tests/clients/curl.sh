#!/usr/bin/env bash
# curl, as a person types it: curl.sh http://127.0.0.1:8080. Last line: `N passed, N failed`.
set -u
address=$1
passed=0
failed=0

check() { # sentence, text expected in the answer, curl's arguments
  sentence=$1
  expected=$2
  shift 2
  answer=$(curl --silent --show-error --max-time 60 "$@" 2>&1)
  case $answer in
    *"$expected"*) passed=$((passed + 1)) && echo "ok - $sentence" ;;
    *) failed=$((failed + 1)) && echo "not ok - $sentence: $answer" ;;
  esac
}

json='content-type: application/json'
question='"messages":[{"role":"user","content":"What is the capital of France?"}],"temperature":0'
check "the front is healthy" '"ok":true' "$address/health"
check "generation is ready" '"ready":true' "$address/ready"
check "a chat is answered" 'The capital of France is Paris.' "$address/v1/chat/completions" -H "$json" -d "{$question}"
check "a stream ends with [DONE]" 'data: [DONE]' --no-buffer "$address/v1/chat/completions" -H "$json" -d "{$question,\"stream\":true}"
check "without a content type too" 'The capital of France is Paris.' "$address/v1/chat/completions" -d "{$question}"
check "half a body is a 400 with a code" '"code":"invalid_json"' "$address/v1/chat/completions" -H "$json" -d '{"messages":'
check "the models are listed" '"id":"tiny-qwen3"' "$address/v1/models"
check "metrics are Prometheus text" '# TYPE ' "$address/metrics"
check "the API describes itself" '"openapi":"3.1' "$address/openapi.json"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]

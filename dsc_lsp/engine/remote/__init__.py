"""An engine on another machine: vLLM, llama-server or any OpenAI-compatible server."""

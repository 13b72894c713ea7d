"""What a tour of the sandbox shows: a catalogue, and deployments running, pending, failing and rolling out."""

from __future__ import annotations

CATALOGUE = """
apiVersion: genai-tui.dev/v1alpha1
kind: Model
metadata: {name: smollm2-135m}
spec:
  description: small chat model, the one that really answers here
  provider: HuggingFaceTB
  source: {type: huggingface, repository: HuggingFaceTB/SmolLM2-135M-Instruct}
  contextLength: 8192
  parameters: 135M
---
apiVersion: genai-tui.dev/v1alpha1
kind: Model
metadata: {name: llama-3.1-8b}
spec:
  description: general chat model
  provider: Meta
  source: {type: huggingface, repository: meta-llama/Llama-3.1-8B-Instruct}
  contextLength: 131072
  parameters: 8B
---
apiVersion: genai-tui.dev/v1alpha1
kind: Model
metadata: {name: llama-3.3-70b}
spec:
  description: large chat model
  provider: Meta
  source: {type: huggingface, repository: meta-llama/Llama-3.3-70B-Instruct}
  contextLength: 131072
  parameters: 70.6B
---
apiVersion: genai-tui.dev/v1alpha1
kind: Model
metadata: {name: mistral-7b}
spec:
  description: general chat model
  provider: Mistral AI
  source: {type: huggingface, repository: mistralai/Mistral-7B-Instruct-v0.3}
  contextLength: 32768
  parameters: 7.25B
---
apiVersion: genai-tui.dev/v1alpha1
kind: Model
metadata: {name: llama-nim}
spec:
  description: Llama 3.1 8B as an NVIDIA NIM; needs NGC secrets
  provider: NVIDIA
  source: {type: ngc, image: "nvcr.io/nim/meta/llama-3.1-8b-instruct:2.0.3"}
  contextLength: 131072
  parameters: 8B
---
apiVersion: genai-tui.dev/v1alpha1
kind: Endpoint
metadata: {name: internal}
spec: {description: inside the cluster, hostname: llm.example.internal}
---
apiVersion: genai-tui.dev/v1alpha1
kind: Organization
metadata: {name: org-a}
spec: {displayName: Organization A, users: [alice, bob]}
---
apiVersion: genai-tui.dev/v1alpha1
kind: Organization
metadata: {name: org-b}
spec: {displayName: Organization B, users: [carol]}
"""

TOUR = """
apiVersion: genai-tui.dev/v1alpha1
kind: ModelDeployment
metadata: {name: chat, namespace: team-a}
spec:
  description: team chat
  model: smollm2-135m
  endpoint: internal
  engine: {type: vllm, image: "vllm/vllm-openai:v0.32.0", replicas: 1, contextLength: 4096}
  resources: {cpu: "2", memory: 4Gi, gpu: 1}
  rateLimits:
    organization: {tokensPerMinute: 300000, requestsPerMinute: 600}
    user: {tokensPerMinute: 60000, requestsPerMinute: 120}
    apiKey: {tokensPerMinute: 20000, requestsPerMinute: 60}
  pricing: {currency: USD, inputPerMillion: "0.20", outputPerMillion: "0.60"}
  sharing: {mode: organizations, organizations: [org-a, org-b]}
---
apiVersion: genai-tui.dev/v1alpha1
kind: ModelDeployment
metadata: {name: assistant, namespace: team-a}
spec:
  description: being updated to a newer engine image
  model: mistral-7b
  endpoint: internal
  engine: {type: vllm, image: "vllm/vllm-openai:v0.31.0", replicas: 2, contextLength: 8192}
  resources: {cpu: "4", memory: 32Gi, gpu: 1}
  advanced: {nodeSelector: {nvidia.com/gpu.product: NVIDIA-A100-SXM4-80GB}}
  pricing: {currency: USD, inputPerMillion: "0.25", outputPerMillion: "0.75"}
---
apiVersion: genai-tui.dev/v1alpha1
kind: ModelDeployment
metadata: {name: summarize, namespace: team-b}
spec:
  description: waits for eight GPUs on one node
  model: llama-3.3-70b
  endpoint: internal
  engine: {type: vllm, image: "vllm/vllm-openai:v0.32.0", replicas: 1, contextLength: 32768}
  resources: {cpu: "16", memory: 200Gi, gpu: 8}
  advanced: {env: [{name: HF_TOKEN, secret: {name: hf, key: token}}]}
---
apiVersion: genai-tui.dev/v1alpha1
kind: ModelDeployment
metadata: {name: extract, namespace: search}
spec:
  description: asks for more context than its GPU can hold
  model: llama-3.1-8b
  endpoint: internal
  engine: {type: vllm, image: "vllm/vllm-openai:v0.32.0", replicas: 1, contextLength: 131072}
  resources: {cpu: "4", memory: 32Gi, gpu: 1}
  advanced:
    env: [{name: HF_TOKEN, secret: {name: hf, key: token}}]
    nodeSelector: {nvidia.com/gpu.product: NVIDIA-L4}
"""

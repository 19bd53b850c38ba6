"""Document 000's two confs and its network, as a sender and a receiver would send them."""

import copy
import json
from typing import Any

SENDER: dict[str, Any] = {
    "offloading": {
        "node-type": "sender",
        "dest-host": "192.168.0.7",
        "dest-port": "3003",
        "host": "192.168.0.5",
        "connect-type": "TCP",
        "topic": "offloading_service_test_topic",
        "training": {
            "sender-pipeline": "datareposrc location=@APP_RW_PATH@/mnist.data json=@APP_RW_PATH@/mnist.json epochs=1 "
            "tensors-sequence=0,1 stop-sample-index = 9 ! edgesink port=0 connect-type=TCP topic=training_topic "
            "host=192.168.0.5 port=3110 wait-connection=true connection-timeout=10000000",
            "transfer-data": {
                "service_1": "@APP_RW_PATH@/pretrained-mnist.bin",
                "service_2": "@APP_RW_PATH@/mnist.ini",
                "service_3": {
                    "pipeline": {
                        "description": "edgesrc dest-host=192.168.0.5 dest-port=3110 connect-type=TCP "
                        "topic=training_topic ! queue ! other/tensors, format=static, num_tensors=2, framerate=0/1, "
                        "dimensions=28:28:1:1.1:1:10:1, types=float32.float32 ! tensor_trainer name=trainer_nntrainer "
                        "framework=nntrainer model-save-path=@TRAINED_MODEL_FILE@ "
                        "model-config=@REMOTE_APP_RW_PATH@/registered-mnist.ini "
                        "model-load-path=@REMOTE_APP_RW_PATH@/registered-mnist.bin num-training-samples=5 "
                        "num-validation-samples=5 epochs=1 ! tensor_sink name=training_result async=true",
                        "output_node": [
                            {"name": "training_result", "info": [{"type": "float64", "dimension": "1:1:4:1"}]}
                        ],
                        "training_node": [{"name": "trainer_nntrainer"}],
                    }
                },
            },
        },
    },
    "services": {
        "service_1": {
            "name": "registered-mnist.bin",
            "service-type": "model_raw",
            "service-key": "model_registration_key",
            "activate": "true",
            "description": "pretrined model",
        },
        "service_2": {
            "name": "registered-mnist.ini",
            "service-type": "model_raw",
            "service-key": "model_config_registration_key",
            "activate": "true",
            "description": "model configuration file",
        },
        "service_3": {
            "service-type": "pipeline_raw",
            "service-key": "pipeline_registration_key",
            "description": "temp description for remote pipeline registeration test using raw file transmission",
        },
    },
}

RECEIVER: dict[str, Any] = {
    "offloading": {
        "node-type": "receiver",
        "host": "192.168.0.7",
        "port": "3003",
        "connect-type": "TCP",
        "topic": "offloading_service_test_topic",
        "training": {"time-limit": 10, "transfer-data": {"service_1": "@APP_RW_PATH@/trained-model.bin"}},
    },
    "services": {
        "service_1": {
            "name": "registered-trained-model.bin",
            "service-type": "reply",
            "service-key": "trained_model_registration_key",
            "activate": "true",
            "description": "registered trained model file",
        }
    },
}

INI = """\
# Network Section : Network

[Model]
Type = NeuralNetwork                # Network Type : Regression, KNN, NeuralNetwork
Epochs = 10                         # Epochs
Loss = cross                        # Loss function
batch_size = 10                     # batch size

[Optimizer]
Type = adam
beta1 = 0.9
beta2 = 0.999
epsilon = 1e-7

[LearningRateScheduler]
type=constant
Learning_rate = 1e-4

[inputlayer]
Type = input
Input_Shape = 1:28:28

[conv2d_c1_layer]
Type = conv2d
input_layers = inputlayer
kernel_size = 5,5
bias_initializer=zeros
Activation=sigmoid
weight_initializer = xavier_uniform
filters = 6
stride = 1,1
padding = 0,0

[pooling2d_p1]
Type=pooling2d
input_layers = conv2d_c1_layer
pool_size = 2,2
stride =2,2
padding = 0,0
pooling = average

[conv2d_c2_layer]
Type = conv2d
input_layers = pooling2d_p1
kernel_size = 5,5
bias_initializer=zeros
Activation=sigmoid
weight_initializer = xavier_uniform
filters = 12
stride = 1,1
padding = 0,0

[pooling2d_p2]
Type=pooling2d
input_layers = conv2d_c2_layer
pool_size = 2,2
stride =2,2
padding = 0,0
pooling = average

[flatten]
Type=flatten
input_layers = pooling2d_p2

[outputlayer]
Type = fully_connected
input_layers=flatten
Unit = 10                           # Output Layer Dimension ( = Weight Width )
weight_initializer = xavier_uniform
bias_initializer = zeros
Activation = softmax                # activation : sigmoid, softmax
"""


def sender(*, weights: bool = True, **figures: int) -> dict[str, Any]:
    """The sender's conf; `stop`, `training`, `validation` and `epochs` change the pipelines' figures."""
    made = copy.deepcopy(SENDER)
    training = made["offloading"]["training"]
    pipeline = training["transfer-data"]["service_3"]["pipeline"]
    if not weights:
        del training["transfer-data"]["service_1"], made["services"]["service_1"]
        pipeline["description"] = pipeline["description"].replace(
            "model-load-path=@REMOTE_APP_RW_PATH@/registered-mnist.bin ", ""
        )
    if figures:
        source = training["sender-pipeline"]
        source = source.replace("epochs=1", f"epochs={figures['epochs']}")
        training["sender-pipeline"] = source.replace("stop-sample-index = 9", f"stop-sample-index = {figures['stop']}")
        text = pipeline["description"].replace("epochs=1", f"epochs={figures['epochs']}")
        text = text.replace("num-training-samples=5", f"num-training-samples={figures['training']}")
        pipeline["description"] = text.replace(
            "num-validation-samples=5", f"num-validation-samples={figures['validation']}"
        )
    return made


def text(conf: dict[str, Any]) -> str:
    """As a file has it."""
    return json.dumps(conf, indent=4)

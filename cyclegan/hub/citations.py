"""The papers of the methods, as BibTeX."""

from __future__ import annotations

from collections.abc import Mapping

from cyclegan.config import Method

CITATIONS: Mapping[Method, str] = {
    "cyclegan": """@inproceedings{zhu2017unpaired,
  title     = {Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks},
  author    = {Zhu, Jun-Yan and Park, Taesung and Isola, Phillip and Efros, Alexei A.},
  booktitle = {IEEE International Conference on Computer Vision (ICCV)},
  year      = {2017},
  url       = {https://arxiv.org/abs/1703.10593}
}""",
    "pix2pix": """@inproceedings{isola2017image,
  title     = {Image-to-Image Translation with Conditional Adversarial Networks},
  author    = {Isola, Phillip and Zhu, Jun-Yan and Zhou, Tinghui and Efros, Alexei A.},
  booktitle = {IEEE Conference on Computer Vision and Pattern Recognition (CVPR)},
  year      = {2017},
  url       = {https://arxiv.org/abs/1611.07004}
}""",
    "gan": """@inproceedings{goodfellow2014generative,
  title     = {Generative Adversarial Nets},
  author    = {Goodfellow, Ian and Pouget-Abadie, Jean and Mirza, Mehdi and Xu, Bing and Warde-Farley, David and
               Ozair, Sherjil and Courville, Aaron and Bengio, Yoshua},
  booktitle = {Advances in Neural Information Processing Systems (NIPS)},
  year      = {2014},
  url       = {https://arxiv.org/abs/1406.2661}
}""",
}
